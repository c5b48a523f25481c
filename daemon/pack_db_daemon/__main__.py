from pack_db_daemon.cli.main import main

main()
