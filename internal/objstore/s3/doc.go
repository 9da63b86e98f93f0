// Package s3 is a bucket of a store that speaks S3, through the SDK of AWS.
//
// The SDK signs, sends and parses; what it would decide by itself is turned
// off: its retries (the policy's, see objstore.Store), its checksums (ours is
// computed before the request, once), its corrections of the clock, and
// redirects.
//
// # Requests
//
//	Put     one PUT with x-amz-checksum-crc32c, and If-None-Match or If-Match.
//	        Never multipart: its checksums are of parts, and differ by store.
//	ReadAt  GET with Range; Content-Range and length of the answer must fit
//	Head    HEAD with x-amz-checksum-mode
//	Delete  DELETE
//	List    ListObjectsV2 with start-after
//
// # What is signed
//
// Over TLS the body is sent as UNSIGNED-PAYLOAD: TLS protects it on the way,
// and the checksum, which is signed, proves at the store that it is the body
// that was meant. Plain HTTP is refused unless it was allowed, and then bodies
// are hashed and signed, since anybody on the way could fit a body to a CRC.
//
// # Expect: 100-continue
//
// It is sent with bodies of 2 MiB and more: a store that refuses the condition,
// the credentials or the rate can say so before the body, and one that does not
// know it costs a second. Smaller bodies are there sooner than the permission.
//
// # Secrets
//
// Credentials come from the SDK's default chain: environment, shared files, web
// identity, the metadata of the machine. Errors hold the status, the code and
// the message of the store, not its whole answer, in which some stores repeat
// what was signed.
package s3
