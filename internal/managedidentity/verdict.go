package managedidentity

// A Verdict is what an answer, or its absence, means.
type Verdict int

// The verdicts.
const (
	Granted     Verdict = iota // a token
	Unavailable                // there is no identity to be had here: a chain goes on
	Fatal                      // there is, and it was refused: a chain stops
)

func (v Verdict) String() string { return [...]string{"granted", "unavailable", "fatal"}[v] }

// A verdictRow is a row of a table of verdicts. Status 0 is no answer at all.
type verdictRow struct {
	from, to int // status
	shape    shape
	retry    bool // may be asked again, as the schedule has it
	verdict  Verdict
	why      string
}

// imdsVerdicts are for an address that anything may answer at: a container's
// network, a proxy, a captive portal, another cloud. Only JSON with the members
// that the service documents counts as the service.
var imdsVerdicts = []verdictRow{
	{0, 0, anyShape, true, Unavailable, "nothing answers at this address: the service is not on this machine, or the network hides it"},
	{200, 200, granted, false, Granted, ""},
	{400, 400, refusal, false, Unavailable, "the identity is not assigned to this machine, or there is no such resource"},
	{404, 404, refusal | nothing, true, Fatal, "the service is being updated or does not know the request"},
	{410, 410, refusal | nothing, true, Fatal, "the service is being updated"},
	{410, 410, other, true, Unavailable, "what answers is not the service"},
	{429, 429, refusal | nothing, true, Fatal, "the service is asked too often"},
	{429, 429, other, true, Unavailable, "what answers is not the service"},
	{502, 502, other, false, Unavailable, "a proxy answers in place of the service"},
	{504, 504, other, false, Unavailable, "a proxy answers in place of the service"},
	{500, 599, refusal | nothing, true, Fatal, "the service has a problem"},
	{500, 599, other, true, Unavailable, "what answers is not the service, or it has a problem"},
	{400, 499, refusal, false, Fatal, "the service refuses"},
	{0, 999, anyShape, false, Unavailable, "what answers is not the service"},
}

// hostVerdicts are for endpoints that the environment names: the identity was
// meant to be used, so what fails is not passed over.
var hostVerdicts = []verdictRow{
	{0, 0, anyShape, true, Fatal, "the endpoint does not answer"},
	{200, 202, granted, false, Granted, ""},
	{200, 299, anyShape, false, Fatal, "the answer is not a token"},
	{300, 399, anyShape, false, Fatal, "the endpoint redirects, which is not followed"},
	{400, 400, anyShape, false, Fatal, "the endpoint refuses: the identity may not be assigned to this host, or there is no such resource"},
	{401, 403, anyShape, false, Fatal, "the endpoint refuses"},
	{400, 499, anyShape, true, Fatal, "the endpoint refuses"},
	{500, 599, anyShape, true, Fatal, "the endpoint has a problem"},
	{0, 999, anyShape, false, Fatal, "the answer is not a token"},
}

// judge finds the row for an answer.
func judge(table []verdictRow, status int, s shape) verdictRow {
	for _, row := range table {
		if row.from <= status && status <= row.to && row.shape&s != 0 {
			return row
		}
	}
	return table[len(table)-1]
}
