// Makes the roles that Holdfast's database user needs, or makes them what they should be: mongosh <address> docs/rights.js
// Written by `npm run rights`; docs/rights.md says what each right is for.
{
  const admin = db.getSiblingDB('admin');
  const roles = [
    {
      "createRole": "holdfastBackup",
      "roles": [],
      "privileges": [
        {
          "resource": {
            "cluster": true
          },
          "actions": [
            "listDatabases",
            "useUUID",
            "replSetGetConfig",
            "replSetGetStatus",
            "getParameter",
            "serverStatus"
          ]
        },
        {
          "resource": {
            "anyResource": true
          },
          "actions": [
            "listCollections",
            "listIndexes"
          ]
        },
        {
          "resource": {
            "db": "",
            "collection": ""
          },
          "actions": [
            "find"
          ]
        },
        {
          "resource": {
            "system_buckets": ""
          },
          "actions": [
            "find"
          ]
        },
        {
          "resource": {
            "db": "",
            "collection": "system.views"
          },
          "actions": [
            "find"
          ]
        },
        {
          "resource": {
            "db": "",
            "collection": "system.js"
          },
          "actions": [
            "find"
          ]
        },
        {
          "resource": {
            "db": "admin",
            "collection": "system.users"
          },
          "actions": [
            "find"
          ]
        },
        {
          "resource": {
            "db": "admin",
            "collection": "system.roles"
          },
          "actions": [
            "find"
          ]
        },
        {
          "resource": {
            "db": "admin",
            "collection": "system.version"
          },
          "actions": [
            "find"
          ]
        },
        {
          "resource": {
            "db": "local",
            "collection": "oplog.rs"
          },
          "actions": [
            "find"
          ]
        },
        {
          "resource": {
            "db": "config",
            "collection": "transactions"
          },
          "actions": [
            "find"
          ]
        }
      ]
    },
    {
      "createRole": "holdfastCommand",
      "roles": [],
      "privileges": [
        {
          "resource": {
            "cluster": true
          },
          "actions": [
            "replSetStateChange"
          ]
        },
        {
          "resource": {
            "cluster": true
          },
          "actions": [
            "shutdown"
          ]
        },
        {
          "resource": {
            "cluster": true
          },
          "actions": [
            "replSetConfigure"
          ]
        },
        {
          "resource": {
            "db": "holdfast_canary",
            "collection": ""
          },
          "actions": [
            "insert",
            "update"
          ]
        }
      ]
    },
    {
      "createRole": "holdfastBeside",
      "roles": [],
      "privileges": [
        {
          "resource": {
            "db": "",
            "collection": ""
          },
          "actions": [
            "insert",
            "update",
            "bypassDocumentValidation",
            "createIndex",
            "convertToCapped"
          ]
        },
        {
          "resource": {
            "db": "",
            "collection": ""
          },
          "actions": [
            "dropCollection"
          ]
        },
        {
          "resource": {
            "db": "",
            "collection": ""
          },
          "actions": [
            "collMod"
          ]
        },
        {
          "resource": {
            "cluster": true
          },
          "actions": [
            "setUserWriteBlockMode",
            "bypassWriteBlockingMode"
          ]
        }
      ]
    }
  ];
  for (const { createRole, ...role } of roles) {
    const known = admin.runCommand({ rolesInfo: createRole }).roles.length > 0;
    const answer = admin.runCommand(known ? { updateRole: createRole, ...role } : { createRole, ...role });
    if (answer.ok !== 1) throw new Error(createRole + ': ' + answer.errmsg);
  }
}
// Then: db.getSiblingDB('admin').createUser({ user: 'holdfast', pwd: passwordPrompt(), roles: [{"role":"holdfastBackup","db":"admin"},{"role":"holdfastCommand","db":"admin"}] })
// And for the restore modes beside and swap: db.getSiblingDB('admin').grantRolesToUser('holdfast', [{"role":"holdfastBeside","db":"admin"}])
