package node

import "time"

// renewBefore is how long before its end a certificate is spoken of.
const renewBefore = 30 * 24 * time.Hour

// inspectCertificates looks at when certificates are good. That files can be used was
// found by Load.
func (i *inspector) inspectCertificates() {
	now := time.Now()
	for _, c := range i.plan.certificates {
		all, err := c.options.Validities()
		if err != nil {
			continue // it has changed since
		}
		for _, v := range all {
			key, day := c.key+"."+v.Key, v.NotAfter.UTC().Format(time.RFC3339)
			switch {
			case now.Before(v.NotBefore):
				i.add(Failure, c.table, key, "the certificate of %s in %s is not valid before %s; look at the clock of this machine, or at when the certificate was made",
					v.Subject, v.File, v.NotBefore.UTC().Format(time.RFC3339))
			case now.After(v.NotAfter):
				i.add(Failure, c.table, key, "the certificate of %s in %s expired on %s; renew it: the file is read again by itself", v.Subject, v.File, day)
			case now.Add(renewBefore).After(v.NotAfter):
				i.add(Warning, c.table, key, "the certificate of %s in %s expires on %s, in %d days; renew it: the file is read again by itself",
					v.Subject, v.File, day, int(v.NotAfter.Sub(now).Hours()/24))
			}
		}
	}
}
