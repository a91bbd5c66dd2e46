module github.com/azid-go/azidentity/cmd/azid

go 1.25.0
