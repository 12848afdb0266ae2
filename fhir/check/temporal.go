package check

// isDate: YYYY, YYYY-MM or YYYY-MM-DD, a day that there is.
func isDate(s []byte) bool {
	n := datePart(s)
	return n > 0 && n == len(s)
}

// isDateTime is a date, or a day with a time of day and its zone.
func isDateTime(s []byte) bool {
	n := datePart(s)
	if n == 0 || n == len(s) {
		return n > 0
	}
	return n == len("2006-01-02") && zonedTime(s[n:])
}

// isInstant is a dateTime with all its parts.
func isInstant(s []byte) bool {
	return len(s) > 10 && datePart(s) == len("2006-01-02") && zonedTime(s[10:])
}

// isTime: hh:mm:ss with a fraction of the second.
func isTime(s []byte) bool {
	n := timePart(s)
	return n > 0 && n == len(s)
}

// datePart returns how long the date is that s begins with, 0 if none.
func datePart(s []byte) int {
	if len(s) < 4 || digits(s[:4]) != 4 || string(s[:4]) == "0000" {
		return 0
	}
	if len(s) < 7 || s[4] != '-' {
		return 4
	}
	month := two(s[5:])
	if month < 1 || month > 12 {
		return 0
	}
	if len(s) < 10 || s[7] != '-' {
		return 7
	}
	year := two(s)*100 + two(s[2:])
	if day := two(s[8:]); day < 1 || day > daysOf(year, month) {
		return 0
	}
	return 10
}

func daysOf(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// timePart returns how long the time is that s begins with, 0 if none. Second
// 60 is there for leap seconds.
func timePart(s []byte) int {
	if len(s) < 8 || s[2] != ':' || s[5] != ':' {
		return 0
	}
	hour, minute, second := two(s), two(s[3:]), two(s[6:])
	if hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60 {
		return 0
	}
	if len(s) == 8 || s[8] != '.' {
		return 8
	}
	n := digits(s[9:])
	if n == 0 {
		return 0
	}
	return 9 + n
}

// zonedTime: Thh:mm:ss[.fff](Z|±hh:mm), at most 14 hours from UTC.
func zonedTime(s []byte) bool {
	if s[0] != 'T' {
		return false
	}
	n := timePart(s[1:])
	if n == 0 {
		return false
	}
	zone := s[1+n:]
	if len(zone) == 1 {
		return zone[0] == 'Z'
	}
	if len(zone) != 6 || zone[0] != '+' && zone[0] != '-' || zone[3] != ':' {
		return false
	}
	hour, minute := two(zone[1:]), two(zone[4:])
	return hour >= 0 && minute >= 0 && minute <= 59 && (hour < 14 || hour == 14 && minute == 0)
}

// two returns the number of the first two digits, -1 if there are none.
func two(s []byte) int {
	if digits(s[:2]) != 2 {
		return -1
	}
	return int(s[0]-'0')*10 + int(s[1]-'0')
}
