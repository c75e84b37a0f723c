#!/usr/bin/env bash
# Writes lucene.json with Lucene 9.12 from the Maven registry. Needs a JDK of 11 or later, and mvn.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mvn -q -B -f pom.xml dependency:copy-dependencies "-DoutputDirectory=$work/jars"
javac -d "$work" -cp "$work/jars/*" LuceneReference.java
java -cp "$work:$work/jars/*" LuceneReference lucene-texts.txt lucene-queries.txt
