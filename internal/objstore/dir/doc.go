// Package dir is a bucket in a directory of a file system, for stores on a
// mounted disk or share, and for tests.
//
// # Names
//
//	seg/ab/x~     the object seg/ab/x; no key has a '~'
//	seg/ab        a directory, which stays when its objects are gone
//	…/~0123…      an object that is being put; Open removes what is left of them
//	~lock         held while names change
//
// An object is written whole and synced under a name of its own, and then gets
// its name in one step, after which the directory is synced. So it is there as a
// whole or not at all, also after a power cut.
//
// Conditions hold between all processes that use the directory: the lock is
// held from the look at the present version to the change, and a creation is a
// link besides, which no file system lets replace anything. A lock that another
// process holds is KindConflict, so the policy tries again. File systems that
// have neither working locks nor links (some shares have not) are for one
// process.
//
// # Object file, little-endian
//
//	offset  size  field     notes
//	0       8     magic     "TAILOBJ\n"
//	8       2     version   1
//	10      6     reserved  zero; readers reject anything else
//	16      8     size      of the content
//	24      8     tag       random; the ETag, in hexadecimal
//	32      8     modified  nanoseconds since 1970
//	40      4     crc       CRC-32C of the content
//	44      4     check     CRC-32C of the 44 bytes before
//	48      n     content   to the end of the file
//
// A header that does not verify, or a file that is not as long as it says, is
// KindCorrupt for every call but Put and Delete. The content is compared with crc
// by who reads it whole (objstore.Store).
package dir
