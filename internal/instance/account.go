package instance

import "sync/atomic"

// Account counts the bytes of host memory that are held for one guest instance beside
// its linear memory: requests and responses that wait, decoded requests, tables. Reserve
// before you allocate, and release what you reserved once nothing refers to it.
//
// All methods are safe for concurrent use and allocate nothing. A nil Account has no
// limit and counts nothing.
type Account struct {
	limit uint64
	held  atomic.Uint64
}

// NewAccount returns an account of limit bytes.
func NewAccount(limit uint64) *Account { return &Account{limit: limit} }

// Reserve counts n bytes. It returns false, and counts nothing, if more than the limit
// would be held.
func (a *Account) Reserve(n uint64) bool {
	if a == nil {
		return true
	}
	for {
		held := a.held.Load()
		if n > a.limit-held {
			return false
		}
		if a.held.CompareAndSwap(held, held+n) {
			return true
		}
	}
}

// Release gives back n bytes that were reserved.
func (a *Account) Release(n uint64) {
	if a != nil && n > 0 {
		a.held.Add(-n)
	}
}

// Limit returns how many bytes may be reserved, or 0 if there is no limit.
func (a *Account) Limit() uint64 {
	if a == nil {
		return 0
	}
	return a.limit
}

// Held returns the bytes that are reserved.
func (a *Account) Held() uint64 {
	if a == nil {
		return 0
	}
	return a.held.Load()
}
