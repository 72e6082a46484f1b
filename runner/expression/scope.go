package expression

import "time"

// Scope says what an expression may use.
type Scope struct {
	Names  []Field  // inputs, vars, steps, …; in the order in which messages list them
	Status []string // which of success, failure, cancelled and always may be called
	Units  Units
}

// StatusFunctions are the names that Scope.Status may hold.
var StatusFunctions = []string{"success", "failure", "cancelled", "always"}

// Env holds the values of one evaluation. A name of the Scope that is missing is absent. Values are read, never changed.
type Env struct {
	Values map[string]any
	// Status holds what success, failure and cancelled return: a bool or Unknown. A missing one is Unknown. always() is
	// true without it.
	Status map[string]any
}

// Units reads and writes values that playbooks write as text. All four are needed.
type Units struct {
	ParseDuration  func(string) (time.Duration, error)
	FormatDuration func(time.Duration) string // the canonical form
	ParseSize      func(string) (int64, error)
	ParseTimestamp func(string) (time.Time, error)
}
