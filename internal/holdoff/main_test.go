package holdoff_test

import (
	"testing"

	"github.com/azid-go/azidentity/internal/loopback"
)

func TestMain(m *testing.M) { loopback.Main(m) }
