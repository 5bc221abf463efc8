package file

// IdleTime is idleTime.
const IdleTime = idleTime
