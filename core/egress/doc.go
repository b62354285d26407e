// Package egress is the one client for requests to addresses that came in as input, such as the URL of a webhook. It guards
// this machine and its networks: a name is resolved once, what it leads to is checked, and the connection goes to the very
// address that was checked. It speaks https, follows no redirect, asks no proxy, and gives up in time.
//
// It is not for what operators name in the settings, such as databases, mail servers and brokers.
package egress
