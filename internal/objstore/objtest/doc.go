// Package objtest is the acceptance suite of buckets: whatever implements
// objstore.Bucket passes it.
package objtest
