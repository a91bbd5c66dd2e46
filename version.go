package azidentity

const (
	module  = "github.com/azid-go/azidentity"
	version = "v0.1.0"
)
