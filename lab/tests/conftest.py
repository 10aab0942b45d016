def pytest_configure(config):
    config.addinivalue_line("markers", "lab: boots machines; needs root and the lab's image")
