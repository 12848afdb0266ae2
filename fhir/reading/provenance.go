package reading

const provenanceMark = "p-"
