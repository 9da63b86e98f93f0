// Package meter declares what is measured. A package of the project says once, in
// a variable, what a series is called, what kind it has, what it means and which
// labels it may have; the metrics page, its documentation and the tests of both
// come from that.
//
//	var flushes = meter.Counter("tailrace_flushes_total", "flushes that ended",
//		meter.OneOf("outcome", "ok", "error"))
//
//	ok := flushes.In(set, "ok")   // once, when the owner is made
//	ok.Inc()                      // where it happens
//
// What is known anyway is not counted a second time: Collect asks the owner for it
// when somebody reads the page, all numbers at once.
//
//	stop := meter.Collect(set, func(r *meter.Reading) { r.Gauge(streams, float64(n)) })
//
// The numbers themselves are those of github.com/VictoriaMetrics/metrics. A nil set
// stands for numbers that nobody will ask for.
//
// # Bounds
//
// Whoever keeps the numbers pays for each series, so there must be a bound for them
// which no client moves: a label has a list of values, or stands for something that
// the operator has written down. A value that is not on the list is a panic.
package meter
