package httpapi

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"

	"github.com/gatehouse/gatehouse/core/errs"
)

// validate checks a value against its schema and reports every fault in our words. huma's own details echo the input, so
// only their place and kind are read.
func validate(registry huma.Registry, schema *huma.Schema, value any) []errs.Field {
	res := &huma.ValidateResult{}
	huma.Validate(registry, schema, huma.NewPathBuffer([]byte{}, 0), huma.ModeWriteToServer, value, res)
	if len(res.Errors) == 0 {
		return nil
	}
	faults := make([]errs.Field, 0, min(len(res.Errors), maxFaults))
	for _, err := range res.Errors {
		detail := (*huma.ErrorDetail)(nil)
		if !errors.As(err, &detail) || len(faults) == maxFaults {
			continue
		}
		faults = append(faults, faultOf(detail))
	}
	return faults
}

// strictCasing makes huma tell EMAIL from email. It is a global of huma's, so it is set once.
var strictCasing = sync.OnceFunc(func() { huma.ValidateStrictCasing = true })

func faultOf(d *huma.ErrorDetail) errs.Field {
	pointer := pointerOf(d.Location)
	if name, ok := requiredName(d.Message); ok {
		return errs.Field{Pointer: join(pointer, name), Code: errs.Required, Message: "is required"}
	}
	for _, k := range kinds {
		if rest, ok := strings.CutPrefix(d.Message, k.prefix); ok && (rest == "" || strings.ContainsAny(k.prefix[len(k.prefix)-1:], ` "`)) {
			message := k.message
			if strings.Contains(message, "%s") {
				message = fmt.Sprintf(message, rest)
			}
			return errs.Field{Pointer: pointer, Code: k.code, Message: message}
		}
	}
	return errs.Field{Pointer: pointer, Code: errs.InvalidFormat, Message: "is not of the form that the document asks for"}
}

func requiredName(message string) (string, bool) {
	before, after, _ := strings.Cut(validation.MsgExpectedRequiredProperty, "%s")
	rest, ok := strings.CutPrefix(message, before)
	if !ok {
		return "", false
	}
	return strings.TrimSuffix(rest, after), true
}

// kinds maps huma's messages, up to their first value, to the contract's codes. A %s takes the bound that follows.
var kinds = []struct {
	prefix  string
	code    errs.Fault
	message string
}{
	{validation.MsgUnexpectedProperty, errs.UnknownField, "is not a member that this operation knows"},
	{validation.MsgExpectedString, errs.WrongType, "must be a string"},
	{validation.MsgExpectedBoolean, errs.WrongType, "must be true or false"},
	{validation.MsgExpectedInteger, errs.WrongType, "must be a whole number"},
	{upToValue(validation.MsgExpectedMinimumNumber), errs.OutOfRange, "must be at least %s"},
	{upToValue(validation.MsgExpectedExclusiveMinimumNumber), errs.OutOfRange, "must be more than %s"},
	{upToValue(validation.MsgExpectedMaximumNumber), errs.OutOfRange, "must be at most %s"},
	{upToValue(validation.MsgExpectedExclusiveMaximumNumber), errs.OutOfRange, "must be less than %s"},
	{upToValue(validation.MsgExpectedNumberBeMultipleOf), errs.OutOfRange, "must be a multiple of %s"},
	{validation.MsgExpectedNumber, errs.WrongType, "must be a number"},
	{validation.MsgExpectedArrayItemsUnique, errs.Duplicate, "must not hold an item twice"},
	{upToValue(validation.MsgExpectedMinItems), errs.TooShort, "must have at least %s items"},
	{upToValue(validation.MsgExpectedMaxItems), errs.TooLong, "must have at most %s items"},
	{validation.MsgExpectedArray, errs.WrongType, "must be an array"},
	{upToValue(validation.MsgExpectedMinProperties), errs.Required, "must have a member"},
	{upToValue(validation.MsgExpectedMaxProperties), errs.TooLong, "has too many members"},
	{validation.MsgExpectedObject, errs.WrongType, "must be an object"},
	{upToValue(validation.MsgExpectedMinLength), errs.TooShort, "must be at least %s characters"},
	{upToValue(validation.MsgExpectedMaxLength), errs.TooLong, "must be at most %s characters"},
	{upToValue(validation.MsgExpectedOneOf), errs.NotAllowed, "is not one of the allowed values"},
}

func upToValue(message string) string {
	before, _, _ := strings.Cut(message, "%")
	return before
}

// pointerOf turns huma's path, "a.b[3].c", into a JSON Pointer fragment, "#/a/b/3/c".
func pointerOf(location string) string {
	if location == "" {
		return "#"
	}
	var b strings.Builder
	for step := range strings.SplitSeq(location, ".") {
		name, index, isItem := strings.Cut(step, "[")
		if name != "" {
			b.WriteString("/" + pointerUnescaper.Replace(name))
		}
		for isItem {
			var number string
			number, index, _ = strings.Cut(index, "]")
			if _, err := strconv.Atoi(number); err == nil {
				b.WriteString("/" + number)
			}
			_, index, isItem = strings.Cut(index, "[")
		}
	}
	return fragment(b.String())
}

// pointerUnescaper takes back the two escapes of keyEscaper that are not JSON Pointer's.
var pointerUnescaper = strings.NewReplacer("~2", ".", "~3", "[")

func join(pointer, name string) string { return pointer + "/" + name }

// within says whether a fault is at, or below, a place that is refused already.
func within(f, known errs.Field) bool {
	if f.Pointer == "" {
		return f.Parameter == known.Parameter && f.Header == known.Header
	}
	return known.Pointer == "#" || f.Pointer == known.Pointer || strings.HasPrefix(f.Pointer, known.Pointer+"/") && known.Pointer != ""
}
