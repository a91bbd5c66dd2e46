package entra

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"iter"
	"strings"
)

// An element is a node of an XML document of a federation server. Such documents are
// as hostile as any: they are of bounded depth and size, and have no DTD, so that there
// are no entities but XML's own five.
type element struct {
	name     xml.Name
	attrs    []xml.Attr
	children []*element
	text     string // directly below, without white space around it
	source   []byte // the element as it was written, to the byte
}

const (
	maxXMLDepth    = 64
	maxXMLElements = 20_000
)

var (
	errXMLForm  = errors.New("it is not well-formed XML")
	errXMLDTD   = errors.New("it has a document type declaration, which no such document needs")
	errXMLLarge = errors.New("it is nested too deeply, or has too many elements")
)

// parseXML reads a document and returns its root.
func parseXML(data []byte) (*element, error) {
	data = bytes.TrimSpace(trimBOM(data))
	d := xml.NewDecoder(bytes.NewReader(data))
	root := &element{}
	open, starts := []*element{root}, []int64{0}
	texts := []*strings.Builder{{}}
	for count := 0; ; {
		start := d.InputOffset()
		token, err := d.Token()
		if errors.Is(err, io.EOF) && len(open) == 1 && len(root.children) == 1 {
			return root.children[0], nil
		}
		if err != nil {
			return nil, errXMLForm
		}
		last := len(open) - 1
		switch token := token.(type) {
		case xml.StartElement:
			if count++; count > maxXMLElements || last >= maxXMLDepth {
				return nil, errXMLLarge
			}
			if last == 0 && len(root.children) > 0 {
				return nil, errXMLForm
			}
			e := &element{name: token.Name, attrs: token.Copy().Attr}
			open[last].children = append(open[last].children, e)
			open, starts, texts = append(open, e), append(starts, start), append(texts, &strings.Builder{})
		case xml.EndElement:
			open[last].text = strings.TrimSpace(texts[last].String())
			open[last].source = data[starts[last]:d.InputOffset()]
			open, starts, texts = open[:last], starts[:last], texts[:last]
		case xml.CharData:
			texts[last].Write(token)
		case xml.Directive:
			return nil, errXMLDTD
		}
	}
}

// is reports whether e has the name, in one of the namespaces.
func (e *element) is(local string, spaces ...string) bool {
	if e.name.Local != local {
		return false
	}
	for _, s := range spaces {
		if e.name.Space == s {
			return true
		}
	}
	return false
}

// all returns e and what is below it, in the order of the document.
func (e *element) all() iter.Seq[*element] {
	return func(yield func(*element) bool) { e.walk(yield) }
}

func (e *element) walk(yield func(*element) bool) bool {
	if !yield(e) {
		return false
	}
	for _, c := range e.children {
		if !c.walk(yield) {
			return false
		}
	}
	return true
}

// find returns the first element of the name below e, or nil. A nil e has none.
func (e *element) find(local string, spaces ...string) *element {
	if e == nil {
		return nil
	}
	for c := range e.all() {
		if c != e && c.is(local, spaces...) {
			return c
		}
	}
	return nil
}

// content is e's text; a nil e has none.
func (e *element) content() string {
	if e == nil {
		return ""
	}
	return e.text
}

// attr returns an attribute, of no namespace if space is empty.
func (e *element) attr(space, local string) string {
	if e == nil {
		return ""
	}
	for _, a := range e.attrs {
		if a.Name.Space == space && a.Name.Local == local {
			return a.Value
		}
	}
	return ""
}
