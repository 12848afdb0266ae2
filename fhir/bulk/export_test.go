package bulk

// MayDial says whether an address may be dialled.
func (s *Service) MayDial(address string) error { return s.mayDial("tcp", address, nil) }
