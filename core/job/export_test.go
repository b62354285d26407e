package job

// OpenOn is Open on handles of the test's own.
var OpenOn = openOn
