package engine

import (
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A clauseSetting is a setting that stands in a statement's SETTINGS clause.
type clauseSetting struct {
	name  string
	value string // as text
	word  token  // the name
	plain bool   // the value is a number, a text, or true or false
}

// clauseSettings returns the settings of all SETTINGS clauses of a statement, at
// any depth. Rendered says that ClickHouse wrote the statement: there the word is
// in capitals and begins a clause whatever follows, while users may name a column
// so.
func clauseSettings(sql iter.Seq[token], rendered bool) (found []clauseSetting) {
	var all []token
	for t := range sql {
		all = append(all, t)
	}
	for i := 0; i < len(all); i++ {
		listed := i > 0 && (isWord(all[i-1], "SHOW") || isWord(all[i-1], "CHANGED")) // SHOW [CHANGED] SETTINGS
		if listed || !isWord(all[i], "SETTINGS") {
			continue
		}
		for begin := i + 1; begin < len(all); {
			s, next, assigned := readSetting(all, begin)
			if s.name == "" || !assigned && !(rendered && all[i].text == "SETTINGS") {
				break
			}
			found = append(found, s)
			i = next - 1
			if next >= len(all) || all[next].text != "," {
				break
			}
			begin = next + 1
		}
	}
	return found
}

// readSetting reads `name = value`, or a name alone, at token i. It returns the
// number of the token behind it, and whether there is a value.
func readSetting(all []token, i int) (s clauseSetting, next int, assigned bool) {
	if all[i].name() == "" {
		return s, i, false
	}
	s = clauseSetting{name: all[i].text, word: all[i], value: "1", plain: true}
	if !all[i].word {
		s.name = all[i].text[1:max(1, len(all[i].text)-1)]
	}
	for i++; i+1 < len(all) && all[i].text == "."; i += 2 {
		s.name += "." + all[i+1].text
	}
	if i+1 >= len(all) || all[i].text != "=" {
		return s, i, false
	}
	depth := all[i].depth
	first := i + 1
	for i = first; i < len(all) && all[i].depth >= depth && (all[i].text != "," || all[i].depth > depth); i++ {
		if i > first && all[i].depth == depth && all[i].word {
			break // the next clause
		}
	}
	s.value, s.plain = plainValue(all[first:i])
	return s, i, true
}

// plainValue returns the text of a value that is one literal.
func plainValue(value []token) (text string, plain bool) {
	for _, t := range value {
		text += t.text
	}
	switch {
	case len(value) == 0:
		return "", false
	case len(value) == 1 && strings.HasPrefix(text, "'"):
		inner := text[1:max(1, len(text)-1)]
		return inner, !strings.ContainsAny(inner, `\\'`)
	case strings.EqualFold(text, "true"):
		return "1", true
	case strings.EqualFold(text, "false"):
		return "0", true
	}
	_, err := strconv.ParseFloat(text, 64)
	return text, err == nil
}

// settingObjection tells which setting in a statement is not allowed there. One
// that is a limit may be lowered.
func settingObjection(found []clauseSetting, ceilings []ceiling) *objection {
	for _, s := range found {
		refuse := func(why string) *objection {
			return &objection{s.word.text, s.word.start, "setting " + s.name + " " + why}
		}
		limit := slices.IndexFunc(ceilings, func(c ceiling) bool { return c.name == s.name })
		switch {
		case limit < 0 && !shapingSettings[s.name]:
			return refuse("cannot be set; settings that shape the answer can, such as " +
				"output_format_json_quote_64bit_integers or session_timezone, and limits can be lowered")
		case !s.plain:
			return refuse("takes a number or a text without quotes and backslashes in it")
		case limit >= 0:
			value, err := strconv.ParseFloat(s.value, 64)
			if err != nil || math.IsNaN(value) || value < 1 || value > float64(ceilings[limit].value) {
				return refuse("can be set from 1 to " + strconv.FormatInt(ceilings[limit].value, 10))
			}
		}
	}
	return nil
}
