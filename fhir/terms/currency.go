package terms

import (
	"strings"
	"sync"

	"github.com/vigil-iomt/vigil/fhir/schema"
)

// currencyCodes are the alphabetic codes of ISO 4217 in use, to which the
// required binding of Money.currency points.
const currencyCodes = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD " +
	"CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD " +
	"HKD HNL HRK HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA " +
	"MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR " +
	"SBD SCR SDG SEK SGD SHP SLE SLL SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS " +
	"VED VES VND VUV WST XAF XAG XAU XBA XBB XBC XBD XCD XDR XOF XPD XPF XPT XSU XTS XUA XXX YER ZAR ZMW ZWL"

var currencies = sync.OnceValue(func() *schema.CodeSystem {
	codes := strings.Fields(currencyCodes)
	var b strings.Builder
	b.WriteString(`{"resourceType":"CodeSystem","url":"` + currencySystem + `","name":"ISO4217","status":"active","content":"complete","caseSensitive":true,"concept":[`)
	for i, c := range codes {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`{"code":"` + c + `"}`)
	}
	b.WriteString(`]}`)
	cs, err := schema.ParseCodeSystem([]byte(b.String()))
	if err != nil {
		return nil
	}
	return cs
})
