// Package servicebus sends events to queues and topics of Azure Service Bus, and receives messages from there, through
// Azure's own client. Every entity has a connection of its own. A broker that is away delays events and loses none; the rest
// of the program does not notice.
//
// It creates no entity and asks for no right to manage any: sending needs the right to send, receiving the right to listen.
package servicebus
