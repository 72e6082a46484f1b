package diagnostic

// Code is the stable name of a kind of mistake, in kebab-case. Programs may match on it; messages may change.
type Code string

// The codes, in the order of Codes. A new code goes into both lists; a test compares them.
const (
	// The file as a whole.
	FileTooLarge      Code = "file-too-large"
	NotUTF8           Code = "not-utf8"
	EmptyFile         Code = "empty-file"
	YAMLSyntax        Code = "yaml-syntax"
	MultipleDocuments Code = "multiple-documents"

	// YAML that is well formed and still not accepted.
	DuplicateKey Code = "duplicate-key"
	NonStringKey Code = "non-string-key"
	MergeKey     Code = "merge-key"
	BadTag       Code = "bad-tag"
	AliasCycle   Code = "alias-cycle"
	AliasBudget  Code = "alias-budget"
	NestingLimit Code = "nesting-limit"

	// The shape of a playbook.
	UnknownKey    Code = "unknown-key"
	MissingKey    Code = "missing-key"
	WrongType     Code = "wrong-type"
	BadValue      Code = "bad-value"
	BadVersion    Code = "bad-version"
	BadID         Code = "bad-id"
	DuplicateID   Code = "duplicate-id"
	BadUses       Code = "bad-uses"
	NoSteps       Code = "no-steps"
	TooMany       Code = "too-many"
	SecretDefault Code = "secret-default"

	// Text that does not fit its type.
	BadDuration  Code = "bad-duration"
	BadSize      Code = "bad-size"
	BadTimestamp Code = "bad-timestamp"
	LeadingZero  Code = "leading-zero"
	NumberRange  Code = "number-range"

	// Expressions.
	BadExpression     Code = "bad-expression"
	ExpressionType    Code = "expression-type"
	ExpressionLimit   Code = "expression-limit"
	UnknownName       Code = "unknown-name"
	NotBoolean        Code = "not-boolean"
	BracesInCondition Code = "braces-in-condition"
	MaybeSkipped      Code = "maybe-skipped"
	LaterStep         Code = "later-step"
	SecretChanged     Code = "secret-changed"

	// Plugins and inputs.
	UnknownPlugin Code = "unknown-plugin"
	UnknownAction Code = "unknown-action"
	UnknownInput  Code = "unknown-input"
	MissingInput  Code = "missing-input"
	UnsetInput    Code = "unset-input"

	// Playbooks that call playbooks.
	UnknownPlaybook Code = "unknown-playbook"
	CallCycle       Code = "call-cycle"
	PlainSecret     Code = "plain-secret"
)

// CodeInfo is a code and its one-line explanation.
type CodeInfo struct {
	Code    Code
	Explain string
}

var codes = []CodeInfo{
	{FileTooLarge, "A playbook may have at most 1 MiB."},
	{NotUTF8, "A playbook is UTF-8 text; another encoding or binary data was found."},
	{EmptyFile, "The file holds no playbook: it is empty or has only comments."},
	{YAMLSyntax, "The file is not well-formed YAML."},
	{MultipleDocuments, "A file holds exactly one YAML document; a second one was found."},

	{DuplicateKey, "A key stands twice in the same map; one of them would be lost."},
	{NonStringKey, "Keys are strings; a number, true, null, a list or a map was used as one."},
	{MergeKey, "The YAML merge key << is not part of the language; write the keys out."},
	{BadTag, "YAML tags such as !!str or !custom are not part of the language; the schema says what a value is."},
	{AliasCycle, "An alias refers to something that contains the alias itself."},
	{AliasBudget, "Expanded aliases may add at most 10,000 values and 1 MiB of text."},
	{NestingLimit, "Lists and maps may be nested at most 100 deep."},

	{UnknownKey, "The key is not part of the language at this place."},
	{MissingKey, "A required key is absent."},
	{WrongType, "The value is of another kind than the place needs."},
	{BadValue, "The value is of the right kind and not one of the legal values."},
	{BadVersion, "The language version is unknown to this program."},
	{BadID, "An id or a name uses characters that are not allowed there."},
	{DuplicateID, "Two steps have the same id; ids are unique in the whole playbook."},
	{BadUses, "A step's uses is PLUGIN.ACTION."},
	{TooMany, "A playbook has at most 200 inputs, 500 vars, 500 outputs and 2,000 steps, those of called playbooks included."},
	{NoSteps, "A playbook has at least one step."},
	{SecretDefault, "A secret input cannot have a default: the file would contain the secret."},

	{BadDuration, "The text is not a duration such as 90s, 1h30m or 30d."},
	{BadSize, "The text is not a size such as 512MiB or 10GB."},
	{BadTimestamp, "The text is not an RFC 3339 timestamp or a date."},
	{LeadingZero, "Whole numbers have no leading zeros: 0755 could mean 755 or octal 493."},
	{NumberRange, "The number is too large, too small or outside the declared bounds."},

	{BadExpression, "The expression cannot be parsed."},
	{ExpressionType, "The expression has another type than the place needs, or combines types that do not go together."},
	{ExpressionLimit, "The expression is too long or too complex."},
	{UnknownName, "The expression uses a name, field or function that does not exist."},
	{NotBoolean, "A condition must be true or false; the expression has another type."},
	{BracesInCondition, "A condition is a bare expression; ${{ }} does not belong there."},
	{MaybeSkipped, "The outputs of a step that may have been skipped are read without ?? or ?. ."},
	{LaterStep, "The expression reads the results of a step that has not run yet."},
	{SecretChanged, "The expression makes another text of a secret input: nobody could know it again, so it could not be masked."},

	{UnknownPlugin, "No plugin of that name is installed."},
	{UnknownAction, "The plugin has no action of that name."},
	{UnknownInput, "The action or playbook has no input of that name."},
	{MissingInput, "A required input is absent."},
	{UnsetInput, "The expression reads an optional input that may be unset, without a fallback."},

	{UnknownPlaybook, "The playbook that is called does not exist, or can't be read."},
	{CallCycle, "A playbook calls itself, or calls are nested more than 8 deep."},
	{PlainSecret, "A secret input of a called playbook is given something that is no secret here: it would be shown."},
}

// Codes lists every code with its explanation, in a fixed order. The caller owns the slice.
func Codes() []CodeInfo {
	return append([]CodeInfo(nil), codes...)
}

// Explain is the one-line explanation of c; "" for a code that does not exist.
func (c Code) Explain() string {
	for _, info := range codes {
		if info.Code == c {
			return info.Explain
		}
	}
	return ""
}
