package servicebus

import (
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"github.com/gatehouse/gatehouse/core/secret"
)

// address is an entity, and how to get at it.
type address struct {
	namespace    string // host, and a port where it is not the usual one
	entity       string // a queue or a topic
	subscription string // of the topic; empty for none
	sessions     bool
	key          secret.String // a connection string; empty for the machine's identity
	plainText    bool
	// identify gives whom an address without a key stands for, and may change how its client connects; nil is the machine.
	identify func(*azservicebus.ClientOptions) (azcore.TokenCredential, error)
}

// String names the entity for people.
func (a address) String() string {
	if a.subscription != "" {
		return a.entity + "/subscriptions/" + a.subscription + " at " + a.namespace
	}
	return a.entity + " at " + a.namespace
}

// fault is what is wrong with a setting. It never quotes one.
type fault struct{ field, text string }

const (
	scheme        = "servicebus"
	subscriptions = "/subscriptions/"
	queryTrue     = "true"
)

// parse reads a URL and a connection string.
func parse(text string, connection secret.String) (address, *fault) {
	u, err := url.Parse(text)
	switch {
	case text == "":
		return address{}, &fault{"url", "must be set: servicebus://<namespace>/<queue or topic>"}
	case err != nil || u.User != nil || u.Fragment != "" || u.Opaque != "":
		return address{}, &fault{"url", "is not servicebus://<namespace>/<queue or topic>; a key belongs into connection_string"}
	case u.Scheme != scheme:
		return address{}, &fault{"url", "has an unknown scheme: events go to servicebus://<namespace>/<queue or topic>"}
	}
	at := address{namespace: strings.ToLower(u.Host), entity: strings.Trim(u.Path, "/"), key: connection}
	if i := strings.Index(strings.ToLower(at.entity), subscriptions); i >= 0 {
		at.entity, at.subscription = at.entity[:i], at.entity[i+len(subscriptions):]
		if at.subscription == "" || strings.Contains(at.subscription, "/") {
			return address{}, &fault{"url", "must end with the name of a subscription"}
		}
	}
	if at.entity == "" {
		return address{}, &fault{"url", "must name a queue or topic: servicebus://<namespace>/<queue or topic>"}
	}
	for name, values := range u.Query() {
		if name != "sessions" || len(values) != 1 || values[0] != queryTrue {
			return address{}, &fault{"url", "takes ?sessions=true and nothing else"}
		}
		at.sessions = true
	}
	return at.withKey()
}

// withKey reads the connection string, which says where, too.
func (a address) withKey() (address, *fault) {
	const field = "connection_string"
	if a.key.IsZero() {
		if a.namespace == "" {
			return address{}, &fault{"url", "must name the namespace, such as servicebus://example.servicebus.windows.net/…, where no connection_string does"}
		}
		return a, nil
	}
	c, ok := readConnection(a.key.Reveal())
	if !ok {
		return address{}, &fault{field, "is none of Azure Service Bus: Endpoint=sb://…;SharedAccessKeyName=…;SharedAccessKey=…"}
	}
	u, err := url.Parse(c.endpoint)
	switch {
	case err != nil || u.Scheme != "sb" || u.Host == "":
		return address{}, &fault{field, "has an Endpoint that is not sb://<namespace>"}
	case a.namespace != "" && !strings.EqualFold(a.namespace, u.Host):
		return address{}, &fault{field, "leads to another namespace than the url"}
	case c.entity != "" && c.entity != a.entity:
		return address{}, &fault{field, "has an EntityPath that is not the entity of the url"}
	case c.emulator && u.Hostname() != "localhost":
		return address{}, &fault{field, "has UseDevelopmentEmulator, which is for sb://localhost:<port> alone"}
	}
	a.namespace, a.plainText = strings.ToLower(u.Host), c.emulator
	return a, nil
}

// connection is as much of a connection string as is looked at.
type connection struct {
	endpoint, entity string
	emulator         bool // there is no TLS
}

// readConnection reads what Azure's portal gives out. It wants all that the client does.
func readConnection(text string) (c connection, ok bool) {
	signed := 0
	for part := range strings.SplitSeq(text, ";") {
		if part == "" {
			continue
		}
		name, value, found := strings.Cut(part, "=")
		if !found {
			return connection{}, false
		}
		switch strings.ToLower(name) {
		case "endpoint":
			c.endpoint = value
		case "entitypath":
			c.entity = value
		case "sharedaccesskeyname", "sharedaccesskey":
			signed++
		case "sharedaccesssignature":
			signed += 2
		case "usedevelopmentemulator":
			c.emulator = strings.EqualFold(value, queryTrue)
		}
	}
	return c, c.endpoint != "" && signed >= 2
}
