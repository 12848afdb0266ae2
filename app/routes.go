package app

import "net/http"

func (s *server) routes() (http.Handler, error) { return http.NewServeMux(), nil }
