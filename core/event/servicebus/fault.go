package servicebus

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/go-amqp"

	"github.com/gatehouse/gatehouse/core/event"
)

// busyFor is how long Azure asks clients to wait when it is busy.
const busyFor = 10 * time.Second

// Conditions of AMQP and of Service Bus.
const (
	serverBusy     amqp.ErrCond = "com.microsoft:server-busy"
	entityDisabled amqp.ErrCond = "com.microsoft:entity-disabled"
)

// refusals are the conditions by which a broker refuses a message for what it is.
var refusals = []amqp.ErrCond{
	amqp.ErrCondMessageSizeExceeded, amqp.ErrCondNotAllowed, amqp.ErrCondDecodeError, amqp.ErrCondInvalidField,
	amqp.ErrCondNotImplemented, amqp.ErrCondPreconditionFailed, "com.microsoft:argument-error", "com.microsoft:argument-out-of-range",
}

// condition is the broker's word for what it did not do; empty where it gave none.
func condition(err error) amqp.ErrCond {
	if e, ok := errors.AsType[*amqp.Error](err); ok && e != nil {
		return e.Condition
	}
	return ""
}

// isRefusal says whether it is the message that the broker does not want.
func isRefusal(err error) bool { return slices.Contains(refusals, condition(err)) }

// away is what the relay is told of a broker that takes nothing.
func (a address) away(err error) error {
	said := errors.New(a.explain(err)) // the client's own text is long, and has lines
	if condition(err) == serverBusy {
		return event.RetryAfter(said, busyFor)
	}
	return event.Away(said)
}

// explain says in one line what is wrong and where. It holds no secret.
func (a address) explain(err error) string {
	code := azservicebus.Code("")
	if e, ok := errors.AsType[*azservicebus.Error](err); ok {
		code = e.Code
	}
	identity, noIdentity := errors.AsType[*azidentity.AuthenticationFailedError](err)
	dial, noDial := errors.AsType[*net.OpError](err)
	dns, noName := errors.AsType[*net.DNSError](err)
	switch {
	case noIdentity:
		return "the identity of this machine got no token for " + a.String() + ": " + firstLine(identity.Error())
	case strings.Contains(err.Error(), "DefaultAzureCredential"):
		return "this machine has no identity for " + a.String() + "; set connection_string, or give it one"
	case code == azservicebus.CodeUnauthorizedAccess || condition(err) == amqp.ErrCondUnauthorizedAccess:
		return "the key or identity is wrong, or has no right to " + a.String()
	case code == azservicebus.CodeNotFound || condition(err) == amqp.ErrCondNotFound:
		return "there is no " + a.String()
	case condition(err) == entityDisabled:
		return a.String() + " is disabled"
	case condition(err) == serverBusy:
		return a.String() + " is busy"
	case condition(err) != "":
		return a.String() + ": " + string(condition(err))
	case noName:
		return a.namespace + " has no address: " + dns.Err
	case noDial:
		return a.namespace + " cannot be reached: " + dial.Err.Error()
	case code == azservicebus.CodeTimeout || errors.Is(err, context.DeadlineExceeded):
		return a.String() + " does not answer"
	case code == azservicebus.CodeConnectionLost && strings.Contains(err.Error(), "dial tcp"): // what it wraps it does not give
		return a.namespace + " cannot be reached: " + firstLine(err.Error()[strings.LastIndex(err.Error(), ": ")+2:])
	case code == azservicebus.CodeConnectionLost:
		return "the connection to " + a.String() + " was lost"
	default:
		return a.String() + ": " + firstLine(err.Error())
	}
}

// firstLine is as much of a text as a line of a log takes.
func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	const most = 200
	if len(line) > most {
		line = strings.ToValidUTF8(line[:most], "") + "…"
	}
	return line
}
