"""The daemon's endpoint on a service's own port: these modules run inside the service.

They import the standard library only, read nothing of the service, and do nothing until a request
comes that the service's own code has allowed.
"""
