package entratest

import (
	"fmt"
	"strconv"
)

// refusal is an error answer in the making.
type refusal struct {
	status   int
	oauth    string // the error member
	code     int    // AADSTS
	text     string
	reason   string // for the journal
	suberror string
	claims   string
}

// refuse builds a refusal. The catalogue gives status and OAuth error; reason is
// for the developer and never contains a secret.
func refuse(code int, reason, format string, args ...any) *refusal {
	row, ok := catalogue[code]
	if !ok {
		row = catalogue[9002313]
	}
	return &refusal{status: row.status, oauth: row.oauth, code: code, reason: reason, text: fmt.Sprintf(format, args...)}
}

// catalogue holds status and OAuth error of the AADSTS codes that the emulator
// knows how to answer.
var catalogue = map[int]struct {
	status int
	oauth  string
}{
	16000:   {400, "interaction_required"},
	28000:   {400, "invalid_scope"},
	50011:   {400, "invalid_request"},
	50013:   {400, "invalid_grant"},
	50008:   {400, "invalid_grant"},
	50034:   {400, "invalid_grant"},
	50053:   {400, "invalid_grant"},
	50055:   {400, "invalid_grant"},
	50057:   {400, "invalid_grant"},
	50058:   {400, "login_required"},
	50027:   {400, "invalid_request"},
	50049:   {400, "invalid_instance"},
	50076:   {400, "interaction_required"},
	50079:   {400, "interaction_required"},
	50126:   {400, "invalid_grant"},
	50148:   {400, "invalid_grant"},
	50149:   {400, "invalid_request"},
	50158:   {400, "interaction_required"},
	50166:   {400, "invalid_request"},
	50173:   {400, "invalid_grant"},
	50196:   {400, "invalid_grant"},
	53000:   {400, "interaction_required"},
	53003:   {400, "interaction_required"},
	54005:   {400, "invalid_grant"},
	65001:   {400, "invalid_grant"},
	65004:   {400, "access_denied"},
	70000:   {400, "invalid_grant"},
	70003:   {400, "unsupported_grant_type"},
	70005:   {400, "unsupported_response_type"},
	70007:   {400, "invalid_request"},
	70008:   {400, "invalid_grant"},
	70011:   {400, "invalid_scope"},
	70016:   {400, "authorization_pending"},
	70018:   {400, "bad_verification_code"},
	70019:   {400, "expired_token"},
	70021:   {401, "invalid_client"},
	90002:   {400, "invalid_request"},
	90023:   {400, "invalid_request"},
	90033:   {503, "temporarily_unavailable"},
	90055:   {429, "temporarily_unavailable"},
	240002:  {400, "invalid_request"},
	500011:  {400, "invalid_resource"},
	500121:  {400, "invalid_grant"},
	500112:  {401, "invalid_client"},
	500131:  {400, "invalid_grant"},
	500133:  {400, "invalid_grant"},
	501481:  {400, "invalid_grant"},
	501491:  {400, "invalid_request"},
	700005:  {400, "invalid_grant"},
	700016:  {400, "unauthorized_client"},
	700021:  {401, "invalid_client"},
	700023:  {401, "invalid_client"},
	700024:  {401, "invalid_client"},
	700025:  {401, "invalid_client"},
	700027:  {401, "invalid_client"},
	700082:  {400, "invalid_grant"},
	700211:  {401, "invalid_client"},
	700212:  {401, "invalid_client"},
	700213:  {401, "invalid_client"},
	900023:  {400, "invalid_request"},
	900144:  {400, "invalid_request"},
	901002:  {400, "invalid_request"},
	1002012: {400, "invalid_scope"},
	5002723: {400, "invalid_request"},
	5002730: {400, "invalid_request"},
	7000112: {400, "unauthorized_client"},
	7000215: {401, "invalid_client"},
	7000216: {401, "invalid_client"},
	7000218: {401, "invalid_client"},
	7000222: {401, "invalid_client"},
	7002138: {401, "invalid_client"},
	9001023: {400, "invalid_request"},
	9002313: {400, "invalid_request"},
}

// refusalBody is Entra's error body.
type refusalBody struct {
	Error         string `json:"error"`
	Description   string `json:"error_description"`
	Codes         []int  `json:"error_codes,omitempty"`
	Timestamp     string `json:"timestamp"`
	TraceID       string `json:"trace_id"`
	CorrelationID string `json:"correlation_id"`
	URI           string `json:"error_uri,omitempty"`
	SubError      string `json:"suberror,omitempty"`
	Claims        string `json:"claims,omitempty"`
}

// refuse answers with a refusal.
func (c *call) refuse(r *refusal) reply { return jsonReply(r.status, c.refusalBody(r)) }

// refusalBody turns a refusal into Entra's error body, in the newer form whose
// description is a single line, and tells the journal.
func (c *call) refusalBody(r *refusal) refusalBody {
	c.note(r)
	timestamp := c.now.UTC().Format("2006-01-02 15:04:05Z")
	body := refusalBody{
		Error:         r.oauth,
		Description:   r.text,
		Timestamp:     timestamp,
		TraceID:       c.traceID,
		CorrelationID: c.correlationID,
		SubError:      r.suberror,
		Claims:        r.claims,
	}
	if r.code != 0 {
		body.Codes = []int{r.code}
		body.Description = r.name() + ": " + r.text
		body.URI = c.origin + "/error?code=" + strconv.Itoa(r.code)
	}
	body.Description += " Trace ID: " + c.traceID + " Correlation ID: " + c.correlationID + " Timestamp: " + timestamp
	return body
}

// note tells the journal of a refusal.
func (c *call) note(r *refusal) {
	c.entry.Error, c.entry.Code, c.entry.Reason = r.oauth, r.code, r.reason
}

// name is the code as people quote it.
func (r *refusal) name() string {
	if r.code == 0 {
		return r.oauth
	}
	return "AADSTS" + strconv.Itoa(r.code)
}
