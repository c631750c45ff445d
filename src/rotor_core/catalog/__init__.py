"""The catalog: from `rotor.yaml`, a mapping or the environment to frozen values. Read `load` first: it tells the story.

    document     a file or mapping -> plain data and the line of every key (`composed`: from YAML)
    schema       the shape of every section (`section`: what all are, `schema_rules`, `fields`: kinds of value); the only users of pydantic
    translate    pydantic's errors -> our one ConfigError (`problems`: where, what, never a secret)
    packaged     a plugin's catalog, a mapping or a TOML file (`catalog_schema`: its shape)
    refreshed    what `rotor catalog refresh` wrote (`refresh`: makes it; `prices`: a package that knows them)
    providers    sections, plugins' catalogs (`layers`) and keys (`credentials`) -> deployments with bound `limits`
    pools        entries -> seats
    view         everything that is known, each figure with its source (`facts`), for `rotor catalog`
    settings     store, policy, rules
    digest       equal configurations have equal digests
    sources      asks this process for its file
    check        what `rotor config check` says; `starter`: what `rotor config init` writes

Importing this package imports neither pydantic nor yaml: `schema`, `section`, `fields` and `composed` are imported when used.
"""
