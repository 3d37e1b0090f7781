from roadworthy.testing.conformance.session_store import DeleteSessionContract, SessionStoreContract


class TestSessionStore(SessionStoreContract):
    pass


class TestDeleteSession(DeleteSessionContract):
    pass
