package entratest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// ParseSeed reads a Config from JSON. It is strict: unknown, misspelt and doubled
// members are refused. Its errors say where, as line and column or as a path such
// as tenants[0].applications[2].clientId. The result is valid: [New] takes it.
func ParseSeed(data []byte) (*Config, error) {
	cfg := &Config{}
	if err := decodeStrict(data, cfg); err != nil {
		return nil, fmt.Errorf("entratest: seed: %w", err)
	}
	if _, err := newDirectory(cfg); err != nil {
		return nil, err
	}
	return cfg, nil
}

// decodeStrict decodes one JSON document, having checked the names in it.
func decodeStrict(data []byte, into any) error {
	checker := nameChecker{data: data, dec: json.NewDecoder(bytes.NewReader(data))}
	if err := checker.value(reflect.TypeOf(into).Elem(), ""); err != nil {
		var syntax *json.SyntaxError
		switch {
		case errors.As(err, &syntax):
			return fmt.Errorf("%s: %w", checker.position(syntax.Offset), err)
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return fmt.Errorf("%s: the document ends early", checker.position(int64(len(data))))
		}
		return err
	}
	if _, err := checker.dec.Token(); err != io.EOF {
		return fmt.Errorf("%s: there is more after the document", checker.position(checker.dec.InputOffset()))
	}
	return json.Unmarshal(data, into)
}

// nameChecker walks a document beside the Go type it is for. encoding/json alone
// would accept doubled members and any letter case, and cannot say where an
// unknown or ill-typed member is.
type nameChecker struct {
	data []byte
	dec  *json.Decoder
}

func (n *nameChecker) position(offset int64) string {
	before := n.data[:min(int(offset), len(n.data))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := len(before) - bytes.LastIndexByte(before, '\n')
	return fmt.Sprintf("line %d, column %d", line, column)
}

// fail reports a mistake at the token that was just read.
func (n *nameChecker) fail(path, format string, args ...any) error {
	return fmt.Errorf("%s: %s: %s", n.position(n.dec.InputOffset()), strings.TrimPrefix(path, "."), fmt.Sprintf(format, args...))
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	timeType     = reflect.TypeFor[time.Time]()
)

func (n *nameChecker) value(t reflect.Type, path string) error {
	token, err := n.dec.Token()
	if err != nil {
		return err
	}
	switch {
	case t == durationType:
		text, ok := token.(string)
		if !ok {
			return n.fail(path, "a duration is a string such as \"90m\"")
		}
		if _, err := time.ParseDuration(text); err != nil {
			return n.fail(path, "%q is not a duration such as \"90m\"", text)
		}
		return nil
	case t == timeType:
		text, ok := token.(string)
		if _, err := time.Parse(time.RFC3339, text); !ok || err != nil {
			return n.fail(path, "a time is a string such as \"2030-01-31T00:00:00Z\"")
		}
		return nil
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		if token != json.Delim('{') {
			return n.fail(path, "an object is needed here")
		}
		return n.object(t, path)
	case reflect.Slice:
		if token == nil {
			return nil
		}
		if token != json.Delim('[') {
			return n.fail(path, "a list is needed here")
		}
		for i := 0; n.dec.More(); i++ {
			if err := n.value(t.Elem(), path+"["+strconv.Itoa(i)+"]"); err != nil {
				return err
			}
		}
		_, err := n.dec.Token()
		return err
	case reflect.Bool:
		if _, ok := token.(bool); !ok {
			return n.fail(path, "true or false is needed here")
		}
	case reflect.String:
		if _, ok := token.(string); !ok {
			return n.fail(path, "a string is needed here")
		}
	default:
		number, ok := token.(float64)
		if !ok || number != float64(int32(number)) {
			return n.fail(path, "a whole number is needed here")
		}
	}
	return nil
}

func (n *nameChecker) object(t reflect.Type, path string) error {
	seen := map[string]bool{}
	for n.dec.More() {
		token, err := n.dec.Token()
		if err != nil {
			return err
		}
		name := token.(string) // a JSON object has no other keys
		member := path + "." + name
		if seen[name] {
			return n.fail(member, "the member is there twice")
		}
		seen[name] = true
		if t.Kind() == reflect.Map {
			err = n.value(t.Elem(), path+"["+strconv.Quote(name)+"]")
		} else if field, ok := fieldByJSON(t, name); ok {
			err = n.value(field, member)
		} else {
			err = n.fail(member, "unknown member %q", name)
		}
		if err != nil {
			return err
		}
	}
	_, err := n.dec.Token()
	return err
}

func fieldByJSON(t reflect.Type, name string) (reflect.Type, bool) {
	for i := range t.NumField() {
		f := t.Field(i)
		if tag, _, _ := strings.Cut(f.Tag.Get("json"), ","); tag == name && name != "-" {
			return f.Type, true
		}
	}
	return nil, false
}
