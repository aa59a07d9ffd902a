package access

// Stands reports whether what was allowed would still be allowed now. It is for
// what an act gives out little by little before it is finished, records nothing
// and gives no leave to begin anything: what a policy that cannot be confirmed
// says counts as no.
func (g *Guard) Stands(r Receipt) bool {
	p, err := g.Policy(r.By)
	if err != nil || g.stop != nil && g.stop() != nil {
		return false
	}
	return g.attempt(&r.By, r.Act).decide(p).Allow
}
