package main

import (
	"net/http"
	"strconv"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// call is one request.
type call struct {
	method, path, token, body string
}

// appendTo writes the request as it goes over the wire.
func (c call) appendTo(b []byte) []byte {
	b = append(b, c.method...)
	b = append(b, ' ')
	b = append(b, c.path...)
	b = append(b, " HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\nAccept: application/json\r\n"...)
	if c.token != "" {
		b = append(b, "Authorization: Bearer "...)
		b = append(b, c.token...)
		b = append(b, "\r\n"...)
	}
	if c.body != "" {
		b = append(b, "Content-Type: application/json\r\nContent-Length: "...)
		b = strconv.AppendInt(b, int64(len(c.body)), 10)
		b = append(b, "\r\n"...)
	}
	b = append(b, "\r\n"...)
	return append(b, c.body...)
}

// target is the request for vegeta.
func (c call) target(addr string) vegeta.Target {
	h := http.Header{"User-Agent": {"bench"}, "Accept": {"application/json"}}
	if c.token != "" {
		h.Set("Authorization", "Bearer "+c.token)
	}
	if c.body != "" {
		h.Set("Content-Type", "application/json")
	}
	return vegeta.Target{Method: c.method, URL: "http://" + addr + c.path, Body: []byte(c.body), Header: h}
}
