// Package objstore is the bucket seam: what the project asks of an object
// store, and the policy by which it asks.
//
// A Bucket is one flat name space of objects, and one call of it is one
// attempt. Implementations are s3 (a real store), dir (a directory), mem (for
// tests) and faultobj (faults around any of them). A Store is the policy around
// a Bucket: it validates keys, retries with jitter and within a budget, gives
// each attempt a deadline, bounds how many run at a time, and makes certain what
// an attempt left open.
//
// # Promises
//
//	Create  returns nil only after the store said that it holds an object of
//	        this key, size and CRC-32C. It never overwrites: somebody else's
//	        object is ErrForeign. Repeating it, also after a crash, is right.
//	Swap    replaces exactly the version that was named, or makes the object if
//	        none was. Of any number of racing swaps one wins; ErrExists (or
//	        ErrNotFound: the object is gone) means that this one is not the
//	        version that is there. That it never was is certain unless the error
//	        is ErrOvertaken too.
//	Delete  of what is not there is no error.
//	ReadAt  fills p or fails.
//
// A put that was cut off may still arrive later. So two rules are the caller's:
// a key is never used again after its object was deleted, and every content
// given to Swap is unique (it has its writer and a counter in it), because
// stores derive their tags from the content, and because a Swap knows its own
// earlier attempt by what it wrote.
//
// # Keys
//
// A key has 1 to 512 bytes out of letters, digits and "!-_.=/", in segments
// that are neither empty nor "." nor "..": it means the same as an object key,
// in a URL and as a file name. Stores that keep objects as files cannot have an
// object "a" and an object "a/b", so nobody makes both. A prefix is "" or a key with a slash behind it.
//
// # Errors
//
// Every error has a Kind (KindOf), which says what a caller can do about it:
//
//	kind       from S3                            the Store
//	NotFound   404 NoSuchKey                      returns it: ErrNotFound
//	NoBucket   404 NoSuchBucket                   returns it
//	Exists     412, 304                           returns it: ErrExists; Create looks whose it is
//	Conflict   409                                tries again
//	Throttled  503, 429, SlowDown                 tries again, with fewer at a time
//	Temporary  408, 500, other 5xx, the network   tries again
//	Timeout    the attempt's deadline             tries again; the effect is unknown
//	Truncated  a reply shorter than it promised   tries again
//	Denied     401, 403, no credentials           returns it
//	Skewed     RequestTimeTooSkewed               returns it
//	BadDigest  BadDigest, checksum mismatch       returns it
//	Range      416, or past the object's end      returns it
//	Invalid    other 4xx, an invalid key          returns it
//	Corrupt    bytes against their checksum       returns it, after ReadAll has read again
//	Canceled   the caller's context               returns it
package objstore
