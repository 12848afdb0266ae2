package search

import (
	"fmt"
	"math"
	"strconv"

	"github.com/vigil-iomt/vigil/codec/ucum"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A circle is what near asks for (location.html#search: near): the places
// within some distance of a position.
type circle struct {
	latitude, longitude float64
	metres              float64
}

// defaultNear is how far near reaches when the distance is left out.
const defaultNear = 50_000

// nearOperand reads latitude|longitude[|distance[|unit]]; the unit is km.
func nearOperand(text string) (operand, error) {
	parts := split(text, '|')
	bad := fmt.Errorf("%q is no place such as 42.25|-83.69|10|km", clip(text))
	if len(parts) < 2 || len(parts) > 4 {
		return operand{}, bad
	}
	c := &circle{metres: defaultNear}
	var err error
	if c.latitude, err = strconv.ParseFloat(parts[0], 64); err != nil || !(math.Abs(c.latitude) <= 90) {
		return operand{}, bad
	}
	if c.longitude, err = strconv.ParseFloat(parts[1], 64); err != nil || !(math.Abs(c.longitude) <= 180) {
		return operand{}, bad
	}
	if len(parts) > 2 && parts[2] != "" {
		d, err := strconv.ParseFloat(parts[2], 64)
		if err != nil || !(d >= 0) || math.IsInf(d, 0) {
			return operand{}, bad
		}
		unit := "km"
		if len(parts) == 4 && parts[3] != "" {
			unit = parts[3]
		}
		if c.metres, err = ucum.Convert(d, unit, "m"); err != nil {
			return operand{}, fmt.Errorf("the unit of the distance: %w", err)
		}
	}
	return operand{place: c}, nil
}

// earth is the mean radius of the earth in metres.
const earth = 6_371_008.8

// holds measures the distance over the sphere.
func (c *circle) holds(position tree.Node) bool {
	lat, err1 := strconv.ParseFloat(position.Get("latitude").Text(), 64)
	lon, err2 := strconv.ParseFloat(position.Get("longitude").Text(), 64)
	if c == nil || err1 != nil || err2 != nil {
		return false
	}
	const rad = math.Pi / 180
	dLat, dLon := (lat-c.latitude)*rad, (lon-c.longitude)*rad
	h := math.Pow(math.Sin(dLat/2), 2) + math.Cos(lat*rad)*math.Cos(c.latitude*rad)*math.Pow(math.Sin(dLon/2), 2)
	return 2*earth*math.Asin(math.Min(1, math.Sqrt(h))) <= c.metres
}
