// Package mail writes to people: a Catalogue turns the templates that modules declare into a subject, a text and an HTML
// body in the reader's language, and a Sender hands the message to an SMTP server or writes it to a folder. It decides
// neither who is written to nor when: modules do, in jobs, so that a server that is away delays a mail and no answer.
//
// A message never loads anything and never tells that it was read: no images, no remote style, no tracking.
package mail
