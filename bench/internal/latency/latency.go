// Package latency counts how long calls take: in little space, wherever they are made, and in
// a form that travels as JSON.
package latency

import (
	"math/bits"
	"time"
)

// steps is how many buckets there are between one power of two and the next: a bucket is
// at most 1/steps wider than its lower end.
const steps = 16

// Counts is how many calls took how long. The zero value is empty. It is for one goroutine
// at a time.
type Counts struct {
	// Buckets has the number of calls in each bucket.
	Buckets []int `json:"buckets"`
	// Worst is the longest time.
	Worst time.Duration `json:"worst"`
}

// Add counts a call that took d.
func (c *Counts) Add(d time.Duration) {
	d = max(d, 0)
	c.add(bucketOf(uint64(d)), 1)
	c.Worst = max(c.Worst, d)
}

// Merge adds the calls of others.
func (c *Counts) Merge(others ...Counts) {
	for _, o := range others {
		for i, n := range o.Buckets {
			c.add(i, n)
		}
		c.Worst = max(c.Worst, o.Worst)
	}
}

// Len returns how many calls there are.
func (c *Counts) Len() int {
	n := 0
	for _, b := range c.Buckets {
		n += b
	}
	return n
}

// Quantile returns how long the part q of the calls took at most, to within a sixteenth: 0.5
// is the median. It is 0 without calls.
func (c *Counts) Quantile(q float64) time.Duration {
	left := q * float64(c.Len())
	for i, n := range c.Buckets {
		if left -= float64(n); n > 0 && left <= 0 {
			return min(time.Duration(endOf(i)), c.Worst)
		}
	}
	return c.Worst
}

func (c *Counts) add(bucket, n int) {
	for len(c.Buckets) <= bucket {
		c.Buckets = append(c.Buckets, 0)
	}
	c.Buckets[bucket] += n
}

// bucketOf returns the bucket of v: below steps each value has its own, and each power of two
// from there on has steps of them.
func bucketOf(v uint64) int {
	shift := bits.Len64(v/steps) - 1
	if shift < 1 {
		return int(v)
	}
	return shift*steps + int(v>>shift)
}

// endOf returns the largest value in a bucket.
func endOf(bucket int) uint64 {
	shift := bucket/steps - 1
	if shift < 1 {
		return uint64(bucket)
	}
	return uint64(bucket-shift*steps+1)<<shift - 1
}
