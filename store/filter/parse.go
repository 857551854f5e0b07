package filter

import (
	"slices"
	"strings"
)

// Bounds on what a filter may be; what people write is far below.
const (
	maxLength = 16 << 10
	maxValues = 1000
	maxDepth  = 50
)

// A Filter is a valid filter. The zero value chooses everything.
type Filter struct {
	root node // nil: everything
}

// Parse reads a filter. Errors are of type *Error. An empty text chooses
// everything.
func Parse(source string) (*Filter, error) {
	p := parser{scanner: scanner{source: source}}
	if len(source) > maxLength {
		return nil, p.fail(maxLength, "a filter may have %d characters", maxLength)
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if p.token.kind == end {
		return &Filter{}, nil
	}
	root, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.token.kind != end {
		return nil, p.fail(p.token.at, "expected and, or, or the end, not %q", p.token.text)
	}
	return &Filter{root}, nil
}

// A node is a part of a filter: a junction, a negation or a comparison.
type node interface {
	columns(add func(string))
	sql(bind Bind) string
}

type parser struct {
	scanner
	token token
	depth int
}

func (p *parser) advance() (err error) {
	p.token, err = p.next()
	return err
}

// keyword takes a keyword when it is next.
func (p *parser) keyword(name string) (bool, error) {
	if p.token.kind != word || !strings.EqualFold(p.token.text, name) {
		return false, nil
	}
	return true, p.advance()
}

func (p *parser) or() (node, error)  { return p.joined("or", p.and) }
func (p *parser) and() (node, error) { return p.joined("and", p.not) }

func (p *parser) joined(by string, part func() (node, error)) (node, error) {
	first, err := part()
	if err != nil {
		return nil, err
	}
	parts := []node{first}
	for {
		another, err := p.keyword(by)
		if err != nil {
			return nil, err
		}
		if !another {
			break
		}
		next, err := part()
		if err != nil {
			return nil, err
		}
		parts = append(parts, next)
	}
	if len(parts) == 1 {
		return first, nil
	}
	return junction{by, parts}, nil
}

func (p *parser) not() (node, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.fail(p.token.at, "the parentheses are nested too deeply")
	}
	defer func() { p.depth-- }()
	if negated, err := p.keyword("not"); err != nil {
		return nil, err
	} else if negated {
		inner, err := p.not()
		if err != nil {
			return nil, err
		}
		return negation{inner}, nil
	}
	if p.token.kind == operator && p.token.text == "(" {
		open := p.token.at
		if err := p.advance(); err != nil {
			return nil, err
		}
		inner, err := p.or()
		if err != nil {
			return nil, err
		}
		if p.token.kind != operator || p.token.text != ")" {
			if p.token.kind == end {
				return nil, p.fail(open, "this parenthesis is not closed")
			}
			return nil, p.fail(p.token.at, "expected and, or, or a closing parenthesis, not %q", p.token.text)
		}
		return inner, p.advance()
	}
	return p.comparison()
}

func (p *parser) comparison() (node, error) {
	name := p.token
	if name.kind != word {
		if name.kind == end {
			return nil, p.fail(name.at, "expected a comparison such as src_as = 15169")
		}
		return nil, p.fail(name.at, "expected a field, not %q", name.text)
	}
	f, ok := fields[strings.ToLower(name.text)]
	if !ok {
		return nil, p.fail(name.at, "there is no field %q%s", name.text, didYouMean(strings.ToLower(name.text)))
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	op, at, err := p.operator(name.text)
	if err != nil {
		return nil, err
	}
	values, err := p.values(f)
	if err != nil {
		return nil, err
	}
	if slices.Contains([]string{"<", "<=", ">", ">="}, op) {
		if !f.kind.ordered {
			return nil, p.fail(at, "%s has no order: use = != or in", name.text)
		}
		if len(values) != 1 || values[0].low != values[0].high {
			return nil, p.fail(at, "%s wants one value, not a list or range", op)
		}
	}
	return comparison{f, op, values}, nil
}

// operator returns =, !=, <, <=, > or >=; in is the same as = and not in as !=.
func (p *parser) operator(field string) (op string, at int, err error) {
	t := p.token
	if t.kind == operator && !strings.Contains("(),", t.text) {
		return t.text, t.at, p.advance()
	}
	op = "="
	negated, err := p.keyword("not")
	if err != nil {
		return "", 0, err
	}
	if negated {
		op = "!="
	}
	in, err := p.keyword("in")
	if err == nil && !in {
		err = p.fail(p.token.at, "expected = != < <= > >= or in after %s", field)
	}
	return op, t.at, err
}

// values reads a value, or a list of them in parentheses.
func (p *parser) values(f field) (values []value, err error) {
	list := p.token.kind == operator && p.token.text == "("
	if list {
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
	for {
		t := p.token
		if t.kind != word && t.kind != text {
			return nil, p.fail(t.at, "expected %s", f.kind.wants)
		}
		v, err := f.kind.parse(t.text)
		if err != nil {
			return nil, p.fail(t.at, "%q: %s", t.text, err)
		}
		if values = append(values, v); len(values) > maxValues {
			return nil, p.fail(t.at, "a list may have %d values", maxValues)
		}
		if err := p.advance(); err != nil || !list {
			return values, err
		}
		if p.token.kind == operator && p.token.text == ")" {
			return values, p.advance()
		}
		if p.token.kind != operator || p.token.text != "," {
			return nil, p.fail(p.token.at, "expected a comma or a closing parenthesis")
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
}
