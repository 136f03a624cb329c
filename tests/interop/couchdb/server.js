// CouchDB's protocol on a database in memory: `node server.js PORT`.
const express = require('express');
const PouchDB = require('pouchdb-core')
  .plugin(require('pouchdb-adapter-memory'))
  .plugin(require('pouchdb-mapreduce'))
  .plugin(require('pouchdb-replication'))
  .plugin(require('pouchdb-find'));

const databases = PouchDB.defaults({ adapter: 'memory' });
const app = express();
app.use('/', require('express-pouchdb')(databases, { mode: 'minimumForPouchDB', inMemoryConfig: true }));
app.listen(Number(process.argv[2]), '127.0.0.1');
