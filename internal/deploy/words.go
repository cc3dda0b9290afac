package deploy

import (
	"regexp"
	"strconv"
	"strings"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/pluginsdk/parigotpb/deploymentpb"
)

// maxQuoted bounds how much of a value a message quotes, in bytes.
const maxQuoted = 64

func quoted(value string) string {
	if len(value) > maxQuoted {
		return strconv.Quote(value[:maxQuoted]) + "..."
	}
	return strconv.Quote(value)
}

// forms says what to write in the fields of a deployment that have a pattern, by their names.
var forms = map[string]string{
	"name":   "write 1 to 63 letters, digits, dots, hyphens and underscores, beginning with a letter or a digit",
	"symbol": "write the name of an exported variable, such as " + defaultSymbol,
	"sha256": "write 64 hexadecimal digits",
	"env":    "write the name of a variable, without =",
	"grants": "write file.v1.File for all methods of a service, or file.v1.File.Open for one",
	"serves": "write the full name of a service, such as file.v1.File",
	"guest":  "write an absolute path, such as /data",
}

// ruleInWords returns the message of a rule that a field of m breaks, without its regular expression.
func ruleInWords(m proto.Message, v *protovalidate.Violation) string {
	message := oneLine(v.Proto.GetMessage())
	path := v.Proto.GetField().GetElements()
	_, ours := m.(*deploymentpb.Deployment)
	if !ours || len(path) == 0 || !strings.HasPrefix(message, "does not match regex pattern ") {
		return message
	}
	name := path[len(path)-1].GetFieldName()
	form, known := forms[name]
	value, isText := v.FieldValue.Interface().(string)
	if !known || !isText {
		return message
	}
	if service, all := strings.CutSuffix(value, ".*"); all && name == "grants" && serviceName.MatchString(service) && len(value) <= maxQuoted {
		return quoted(value) + " is not valid: write " + service + " for all its methods"
	}
	return quoted(value) + " is not valid: " + form
}

var (
	serviceName  = regexp.MustCompile(`^\w+(\.\w+)+$`)
	expectedKind = regexp.MustCompile(`^expected (?:(sequence|mapping|scalar)|fields for (\S+)), got (?:sequence|mapping|scalar)$`)
	sizeWithUnit = regexp.MustCompile(`^([0-9.]+) ?([kmgtpe])(i?)b?$`)
	listItem     = regexp.MustCompile(`^[A-Za-z0-9_./-]+$`)
)

// parseErrorInWords returns what protoyaml says of a value in the words of people who write YAML.
// value is "" for a list and for fields.
func parseErrorInWords(message, value string) string {
	kind := expectedKind.FindStringSubmatch(message)
	switch {
	case kind != nil && kind[1] == "sequence" && listItem.MatchString(value) && len(value) <= maxQuoted:
		return "write a list: [" + value + "]"
	case kind != nil && kind[1] == "sequence":
		return "write a list: [a, b]"
	case kind != nil && (kind[1] == "scalar" || strings.HasPrefix(kind[2], "google.protobuf.")):
		return "write one value, no list and no fields"
	case kind != nil:
		return "write fields, one a line: name: value"
	case strings.HasPrefix(message, "expected tag !!bool"), strings.HasPrefix(message, "expected bool, got "):
		return "write true or false, without quotes"
	case strings.HasPrefix(message, "invalid integer: "):
		return quoted(value) + sizeMeant(value)
	case strings.HasPrefix(message, "invalid duration"), message == "invalid number, expected digit", message == "expected number":
		return quoted(value) + " is not a duration: write a number and one of the units h, m, s, ms, us, ns, such as 5s"
	}
	return message
}

// sizeMeant says how to write a number, or a size whose unit is written otherwise.
func sizeMeant(value string) string {
	m := sizeWithUnit.FindStringSubmatch(strings.ToLower(value))
	if m == nil || len(value) > maxQuoted {
		return " is not valid: write a whole number, for a size with a unit such as Ki, Mi or Gi"
	}
	number, prefix := m[1], strings.ToUpper(m[2])
	binary, decimal := number+prefix+"i", number+prefix
	if prefix == "K" {
		decimal = number + "k"
	}
	if m[3] != "" {
		return " is not a size: did you mean " + binary + "?"
	}
	return " is not a size: did you mean " + binary + " or " + decimal + "?"
}
