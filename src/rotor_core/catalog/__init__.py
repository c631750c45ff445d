"""The catalog: from `rotor.yaml`, a mapping or the environment to frozen values. Read `load` first: it tells the story.

    document     a file or mapping -> plain data and the line of every key (`composed`: from YAML)
    schema       the shape of every section (`fields`: its kinds of value); the only users of pydantic
    translate    pydantic's errors -> our one ConfigError (`problems`: where, what, never a secret)
    providers    sections, plugins' catalogs (`layers`) and keys (`credentials`) -> deployments with bound `limits`
    pools        entries -> seats
    settings     store, policy, rules
    digest       equal configurations have equal digests
    sources      asks this process for its file
    check        what `rotor config check` says; `starter`: what `rotor config init` writes

Importing this package imports neither pydantic nor yaml: `schema`, `fields` and `composed` are imported when used.
"""
