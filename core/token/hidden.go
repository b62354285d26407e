package token

// hidden keeps a value where no print verb, encoder or dump of a struct reaches it: they all stop at a function, whereas some
// verbs follow pointers and ignore methods of unexported fields.
type hidden[T any] func() T

func hide[T any](value T) hidden[T] { return func() T { return value } }
