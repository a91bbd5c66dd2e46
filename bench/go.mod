module github.com/azid-go/azidentity/bench

go 1.25.0
