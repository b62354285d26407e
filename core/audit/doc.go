// Package audit keeps who did what, when and from where, and how it ended: logins, refusals, and what people, administrators
// and operators do to accounts. A row commits with its cause. What was refused has none, so it is written a moment later, in
// a transaction of its own, and beyond ten a minute of one source as one row with a count. No API changes or deletes a row.
//
// Each row has a MAC, and a worker seals rows in batches: a signature over the batch and the seal before. Verify names every
// row that was changed, removed, added or moved. What tells about a person is covered by a salted digest, so it can be erased
// without breaking a seal. Retention drops whole batches, and keeps their seals.
//
// Nothing secret belongs in a row: no password, token, or what was typed in place of one.
package audit
