module telegraf-pm500/tests/peers/lineprotocol

go 1.17

require github.com/influxdata/line-protocol/v2 v2.2.1
