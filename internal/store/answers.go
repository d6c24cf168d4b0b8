package store

import "errors"

// IsAnswer tells whether an error is one that the contract names, and thus an answer of a database
// that works, not a fault of it.
func IsAnswer(err error) bool {
	var exists *ExistsError
	return errors.As(err, &exists) || errors.Is(err, ErrNotFound) || errors.Is(err, ErrConflict) || errors.Is(err, ErrLeaseLost)
}
