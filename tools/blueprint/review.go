package main

import (
	"fmt"
	"strings"
)

// point is one line of the blueprint's reviews.
type point struct {
	name  string
	how   string
	tests []string // as "folder.TestName"
	not   []string // what no test shows
}

type reviewer struct {
	who    string
	points []point
}

const contract = "test/contract."

// reviewers are those of the blueprint, with its own words as the names of the points.
var reviewers = []reviewer{
	{"The security engineer checks", []point{
		{
			name: "Input validation on all endpoints",
			how:  "An operation's input is held against the schema that its document shows, before any work; what a schema cannot say is a check of its own. A schema that would not be checked does not mount.",
			tests: []string{
				"core/httpapi.TestInputIsHeldAgainstItsSchema", "core/httpapi.TestASchemaThatNobodyChecksDoesNotMount", "core/httpapi.TestEveryFaultOfARequestComesAtOnce",
				"core/httpapi.TestChecksComeInTheContractsOrder", contract + "TestEveryDocumentedAnswerIsProduced", "modules/users.TestSmuggledMembersChangeNothing",
				"modules/users.TestAChangeIsValidatedWhole", "modules/users.TestListNamesEveryFaultOfAQuery", "modules/auth.TestRegisterReportsEveryFaultAtOnce",
				"core/httpapi.FuzzJSON", "core/httpapi.FuzzQuery", "core/httpapi.FuzzUpload", "core/page.FuzzDecode", "core/token.FuzzVerify", "core/account.FuzzParseEmail",
				"core/picture.FuzzPicture", "test/e2e.TestStatement21NoRequestGives5xx", "test/faults.TestStatement22LargeAndDeepInputIsRefusedAtOnce",
			},
			not: []string{"The million requests of statement 21 are sent by `make soak` alone; every run sends thousands."},
		},
		{
			name: "Authentication and authorization",
			how:  "[access.md](access.md) is the matrix of caller, operation and object; a test asks for each of its cells. Decisions use the state in the database.",
			tests: []string{
				contract + "TestStatement16EveryCellOfTheMatrixIsWhatTheReferenceSays", contract + "TestStatement17DecisionsUseTheDatabaseNotTheToken",
				"core/httpapi.TestAnOperationWithoutAnAccessRuleDoesNotMount", "core/httpapi.TestAnOperationWhosePathNamesAnObjectSaysWhose", "core/httpapi.TestStatement29ErrorsNeverGrant",
				"core/httpapi.TestTokensThatAreNone", "core/token.TestStatement11ForgedHeadersAreRefused", "core/token.TestStatement11OtherFormsAreRefused",
				"core/token.TestStatement12ClaimsArePresentAndChecked", "modules/auth.TestATokenIsWorthWhatTheStoreSays", "modules/auth.TestATokenThatIsUsedAgainGivesTheSameSuccessorOrEndsTheSession",
				"modules/auth.TestLoginAnswersEveryWrongPairAlike", "test/e2e.TestStatement5LoginTakesAsLongForWhomNobodyKnows", "modules/users.TestTheLastActiveAdministratorStays",
				"modules/users.TestWhoIsMadeInactiveIsSignedOutEverywhereForGood", "app.TestWhatEndsElsewhereIsRefusedHere",
				contract + "TestStatement26EveryLoginRefusalAndAdministrativeActIsWrittenDown", "core/audit.TestEveryColumnThatIsAlteredIsFoundAndNamed",
			},
			not: []string{"There is no table yet that maps the requirements of OWASP ASVS to tests."},
		},
		{
			name: "No sensitive data in logs",
			how:  "Secrets have a type that prints as `[redacted]`, log lines name no input, and errors hold no bound value. One test sends markers wherever a secret can stand and looks for them in answers, log and metrics.",
			tests: []string{
				contract + "TestStatement25SecretsNeverShow", contract + "TestStatement25WhatOthersAreReachedWithNeverShows", "core/httpapi.TestTheAccessLogHasOneLineARequest", "core/httpapi.TestTheInsideStaysInside", "core/database.TestNoBoundValueIsInAnError",
				"core/token.TestNoSecretIsPrinted", "core/token.TestRefusalsSayNothingOfTheToken", "core/config.TestLoadNeverEchoesASecret", "cli.TestConfigShowsOriginsAndNoSecrets",
				"core/blob.TestFaultyURLsAreReportedAndNeverQuoted", "core/mail.TestATargetTellsWhereMailGoesAndNoSecret",
			},
		},
		{
			name: "Rate limiting effectiveness",
			how:  "A limit lets its quota through and no more, over any window, on one instance or on several that share Redis; without Redis each instance keeps to the quota by itself. Failed logins count per account as well.",
			tests: []string{
				"core/ratelimit.TestLimiterKeepsTheGuarantee", "core/ratelimit.TestHotKeyGetsExactlyTheQuota", "core/ratelimit.TestLimitersAgree",
				"core/ratelimit.TestStoppedRedisNeitherOpensNorCloses", "core/ratelimit.TestFlushedRedisGrantsNothingTwice", "core/ratelimit.TestMillionsOfKeysDoNotGrowMemory",
				"core/httpapi.TestTheClientIsBelievedOnlyThroughTrustedProxies", "modules/auth.TestLimitsCountAcrossInstancesThatShareRedis",
				"modules/auth.TestFailedLoginsSlowDownAnAccountHoweverItIsSpelled", "modules/auth.TestAKnownAddressHasABudgetOfItsOwn", "modules/auth.TestAHundredGuessesAtOnceAreTen",
				"modules/auth.TestAskingForANewPasswordIsLimitedPerAccountKnownOrNot", "modules/auth.TestACurrentPasswordIsCheckedFiveTimesAMinute", "modules/auth.TestProbingForKnownAddressesEnds",
				"test/faults.TestRedisMayBeAwaySlowOrEmpty",
			},
		},
	}},
	{"The tech lead checks", []point{
		{
			name:  "Code follows module structure",
			how:   "Files are parsed for who imports whom, for where each library may be used, and for names that say nothing.",
			tests: []string{contract + "TestImportsPointOneWay", contract + "TestEachLibraryHasOneRoom", contract + "TestNoPackageIsADrawer"},
			not:   []string{"That functions stay under 60 lines is the linter's to say, files under 400 the reader's."},
		},
		{
			name: "All endpoints have tests",
			how:  "Every operation gives every status that its document names, is asked as everyone, and runs the statements that are known; what is served and what is documented are the same.",
			tests: []string{
				contract + "TestEveryDocumentedAnswerIsProduced", contract + "TestEveryPathIsAnOperationOrOnTheClosedList", contract + "TestStatement16EveryCellOfTheMatrixIsWhatTheReferenceSays",
				contract + "TestEachOperationRunsTheStatementsThatWeKnow", contract + "TestAnswersMatchTheDocument",
			},
		},
		{
			name: "Error handling is comprehensive",
			how:  "Each error is declared once, documented and produced. A store that is away is 503, and what was acknowledged is there after a kill.",
			tests: []string{
				contract + "TestEveryDocumentedAnswerIsProduced", contract + "TestEveryErrorCodeHasAPage", "core/httpapi.TestTheInsideStaysInside", "core/database.TestServerErrorsAreSorted",
				"core/database.TestFailedCommitIsAnError", "core/database.TestExhaustedPoolAnswersWithinTheDeadline", "test/faults.TestPostgreSQLMayRestart",
				"test/faults.TestAFullDiskRefusesWritesAndKeepsReads", "test/faults.TestKillsLoseNothingThatWasAcknowledged", "test/faults.TestStoppingUnderLoadFailsNothingInFlight",
				"test/faults.TestInstancesGoOnWithoutTheirChannel", "test/faults.TestMailComesLaterAndOnceWhateverItsServerDoes",
			},
		},
		{
			name: "Performance targets are met",
			how:  "No statement scans a table, and a query more than we know of fails a test. Rates and percentiles depend on the machine: `bench/` measures them, and [performance.md](performance.md) says what it measured where.",
			tests: []string{
				contract + "TestNoStatementScansATable", contract + "TestEveryTableAndIndexHasAReasonAndAUse", contract + "TestEachOperationRunsTheStatementsThatWeKnow",
				"core/gate.TestGoodputHoldsUnderTenTimesTheLoad", "test/e2e.TestStartingTakesNoTime", "test/faults.TestStatement22ConnectionsCostLittleAndEnd",
			},
			not: []string{"No test holds a P50, a P99 or a rate: they are measured, not asserted."},
		},
		{
			name: "Documentation is complete",
			how:  "References are generated, and `make check` fails where one is out of date. The document describes every answer, and every error has a page.",
			tests: []string{
				contract + "TestTheDocumentIsValidAndWhole", contract + "TestAnswersMatchTheDocument", contract + "TestEveryErrorCodeHasAPage", contract + "TestTheSchemaThatIsReadIsTheOneThatIsMade",
				"core/config.TestWriteReferenceListsEverySetting", "core/httpapi.TestTheReferenceOfAccessHasARowForEveryOperation", "test/e2e.TestTheBinarysDocumentIsTheServedOne",
				"core/httpapi/pages.TestPeopleTryAnOperationWithTheirToken",
			},
			not: []string{"Whether the prose of how-tos and explanations is right, no test says."},
		},
	}},
}

const reviewHead = `# Review

The points of the blueprint's two reviews, in its words, each with the tests that prove it and with what none shows. The
list stands in ` + "`tools/blueprint`" + `; a test that is named here and is not in the source fails ` + "`make generate`" + `.
`

func review(src *source) (string, error) {
	var b strings.Builder
	b.WriteString(reviewHead)
	for _, r := range reviewers {
		fmt.Fprintf(&b, "\n## %s\n", r.who)
		for _, p := range r.points {
			fmt.Fprintf(&b, "\n### %s\n\n%s\n\n", p.name, p.how)
			for _, name := range p.tests {
				at, err := src.test(name)
				if err != nil {
					return "", fmt.Errorf("%s: %w", p.name, err)
				}
				fmt.Fprintf(&b, "- [`%s`](../../%s)\n", name, at)
			}
			for _, n := range p.not {
				fmt.Fprintf(&b, "- *Not shown:* %s\n", n)
			}
		}
	}
	return b.String(), nil
}
