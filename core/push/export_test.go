package push

// Company is how long a signal waits for others.
const Company = company
