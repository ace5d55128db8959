package ui

// attacker is somebody against whom this box protects, or cannot. What they get
// and what not stands in the catalogue, under "protect." and the word.
type attacker struct {
	word string
	// tests hold what the page says that the attacker does not get.
	tests []string
}

// attackers are those of nvr/vault/threats.md, in its order.
func attackers() []attacker {
	return []attacker{
		{"makers", []string{"TestR1R22NewBoxKnowsNobodyAndSharesNothing", "TestR13RunningBoxTalksToItsCamerasAlone", "TestR24OnlyTheListedRoutesAnswerWithoutLogin"}},
		{"disk", []string{"TestR1R2StolenBoxShowsNothing", "TestNothingReadableIsInTheFile"}},
		{"disk-paper", []string{"TestR25FootageDiskAndRecoveryKeyAreEnough", "TestDestroyedDayStaysShutWithAnOldCopyOfTheFootage"}},
		{"box", []string{"TestR1R2StolenBoxShowsNothing", "TestGuessIsMadeToCostHalfASecond"}},
		{"old-copy", []string{"TestR10OldCopyAndOldPasswordOpenNothingRecordedAfterwards", "TestRemovedDeviceOpensNothingRecordedAfterwards"}},
		{"old-footage", []string{"TestDestroyedDayStaysShutWithAnOldCopyOfTheFootage", "TestADestroyedVaultLeavesNoByteInAnyFile"}},
		{"root", []string{"TestMemoryOfABoxWithNobodyLoggedInHoldsNoKey", "TestKeysAreWipedAfterAQuarterOfAnHour"}},
		{"root-watching", []string{"TestKeysAreWipedAfterAQuarterOfAnHour"}},
		{"program", []string{"TestLockedSessionReadsNoLog", "TestNothingIsReadWithoutTheKey"}},
		{"config", []string{"TestSubstitutedRosterIsNotSealedToAndIsReported", "TestRolledBackRosterIsReported", "TestForgedRosterGetsNoOlderRecordings", "TestExchangedNamesDoNotCountAndAreReported"}},
		{"footage-writer", []string{"TestFlippedBitCostsOneSlotAtMost", "TestMovedSlotsAreRejected", "TestEditedHeaderOpensNothing"}},
		{"segment-key", []string{"TestSegmentOfAnotherVaultStaysShut"}},
		{"owner", []string{"TestR4TamperedLogIsFoundAndNamed", "TestSecondOwnerCountsOnceTheFirstHasConfirmedTheKeys"}},
		{"person", []string{"TestR3ForeignFootageStaysShutWithoutAuthorize", "TestR3EveryCameraRouteAsksForItsRight"}},
		{"dismissed", []string{"TestR10RemovedPersonIsOutAtOnce", "TestR9R10RunningStreamsEndWithWhatTheyWereBegunWith", "TestR10OldCopyAndOldPasswordOpenNothingRecordedAfterwards"}},
		{"device", []string{"TestCookieAloneOpensNothing", "TestR3CookiesThatAnotherServiceGetsOpenNothing", "TestR8SavingAClipNeedsThePasswordAgain"}},
		{"link", []string{"TestR3LinkOpensItsSpanOnly", "TestR10EndedLinkIsShutWhileItPlays"}},
		{"invitation", []string{"TestInvitationEndsAfterADayAndOpensNothing"}},
		{"guesser", []string{"TestR7TenThousandGuessesInAnHour", "TestR7TwoHundredParallelLoginsStayInBounds"}},
		{"camera", []string{"TestEveryThreadOfAMediaWorkerIsFenced", "TestPicturesThatCannotBeDecodedHarmNobodyElse"}},
		{"quantum", []string{"TestSealOpensWithTheRightKeyAndInfoOnly"}},
		{"nobody", []string{"TestR25SecondOwnerGivesAPasswordBack", "TestResetKeepsOldFootageShut"}},
	}
}
