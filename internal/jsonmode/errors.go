package jsonmode

import (
	"errors"
	"fmt"
)

var (
	// ErrInvalid means that a body is not one JSON text in UTF-8.
	ErrInvalid = errors.New("jsonmode: invalid JSON")

	// ErrTooDeep means that a message nests arrays and objects deeper than
	// MaxDepth. What follows the place was not looked at.
	ErrTooDeep = errors.New("jsonmode: JSON nested too deep")
)

// SyntaxError says where and why a body was refused. It matches ErrInvalid or
// ErrTooDeep with errors.Is, never both.
type SyntaxError struct {
	// Offset is the first byte of the body that cannot be part of a JSON text,
	// counted from 0; the length of the body when it ended too early.
	Offset int

	// Reason is a few words for people, without any byte of the body in it.
	Reason string

	deep bool
}

// Error gives the reason and the offset.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%v at byte %d: %s", e.Unwrap(), e.Offset, e.Reason)
}

// Unwrap returns ErrTooDeep or ErrInvalid.
func (e *SyntaxError) Unwrap() error {
	if e.deep {
		return ErrTooDeep
	}
	return ErrInvalid
}

// fault is why the scanner stopped; the zero value means it did not. It stands
// in for an error inside the scanner, where an interface per value would cost.
type fault uint8

const (
	faultNone fault = iota
	faultEnd
	faultEmpty
	faultValue
	faultNumber
	faultLiteral
	faultKey
	faultColon
	faultComma
	faultControl
	faultEscape
	faultUTF8
	faultTrailing
	faultDepth
)

var faultReasons = [...]string{
	faultEnd:      "unexpected end",
	faultEmpty:    "no value",
	faultValue:    "no value starts with this byte",
	faultNumber:   "malformed number",
	faultLiteral:  "malformed literal",
	faultKey:      "object key is not a string",
	faultColon:    "no colon after object key",
	faultComma:    "neither comma nor end of the array or object",
	faultControl:  "control character in string",
	faultEscape:   "malformed escape in string",
	faultUTF8:     "invalid UTF-8 in string",
	faultTrailing: "more after the value",
	faultDepth:    "nested too deep",
}

func (f fault) at(offset int) error {
	return &SyntaxError{Offset: offset, Reason: faultReasons[f], deep: f == faultDepth}
}
