#!/bin/sh
# Writes three events for each of some customers into an Event Store, over HTTP:
#   customers.sh URL [CUSTOMERS]
# Each run makes new customers. Needs curl.
set -eu

url=$1
customers=${2:-10}
run=$(date +%s)

id() { cat /proc/sys/kernel/random/uuid; }
event() { # event TYPE DATA
  printf '{"eventId":"%s","eventType":"%s","data":%s,"metadata":{"source":"customers.sh"}}' "$(id)" "$1" "$2"
}

number=1
while [ "$number" -le "$customers" ]; do
  body="[$(event customer_registered "{\"first_name\":\"Zoë\",\"last_name\":\"Čapek $number\"}"),"
  body="$body$(event customer_phone_number_changed "{\"phone_number\":\"+420 601 000 $number\"}"),"
  body="$body$(event customer_renamed "{\"last_name\":\"Żak $number\"}")]"
  # Each customer begins a stream; a second writer of the same would be a mistake.
  curl --fail --silent --show-error --max-time 10 --retry 5 --retry-connrefused \
    --header 'Content-Type: application/vnd.eventstore.events+json' --header 'ES-ExpectedVersion: -1' \
    --data-binary "$body" "$url/streams/customer-$run-$number" >/dev/null
  number=$((number + 1))
done
echo "$customers customers, $((customers * 3)) events"
