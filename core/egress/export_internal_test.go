package egress

import "net/http"

func transportOf(c *Client) *http.Transport { return c.client.Transport.(*http.Transport) }
